import { App } from './app.ts'
import { rememberedName, rememberName } from './session.ts'
import { signIn } from './views/sign-in.ts'
import { idProblem } from './words.ts'

const begin = (name: string): void => {
  rememberName(name)
  document.body.replaceChildren(new App(name).element)
}

const name = rememberedName()
if (name !== undefined && idProblem(name) === undefined) begin(name)
else document.body.replaceChildren(signIn(begin))
