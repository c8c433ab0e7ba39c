import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { resolve, type ResolutionContext } from 'metro-resolver'
import { z } from 'zod'

const packageJson = z.looseObject({ name: z.string().optional(), main: z.string().optional() })

/** The file that Metro, React Native's bundler, takes for a module that `origin` imports, by the rules of React Native 0.79 and later. */
export function resolvedInReactNative(origin: string, specifier: string): string {
  const found = resolve(contextOf(origin), specifier, 'ios')
  if (found.type !== 'sourceFile') throw new Error(`${specifier} is no source file but ${found.type}`)
  return found.filePath
}

function contextOf(origin: string): ResolutionContext {
  const context: ResolutionContext = {
    allowHaste: false,
    assetExts: new Set(['png']),
    customResolverOptions: {},
    dev: true,
    disableHierarchicalLookup: false,
    doesFileExist: (file) => existsSync(file) && statSync(file).isFile(),
    extraNodeModules: null,
    fileSystemLookup: (path) => {
      if (!existsSync(path)) return { exists: false }
      return { exists: true, type: statSync(path).isFile() ? 'f' : 'd', realPath: realpathSync(path) }
    },
    getPackage: (path) => (existsSync(path) ? packageJson.parse(JSON.parse(readFileSync(path, 'utf8'))) : null),
    getPackageForModule: (path) => packageOf(path),
    isESMImport: true,
    mainFields: ['react-native', 'browser', 'main'],
    nodeModulesPaths: [],
    originModulePath: origin,
    preferNativePlatform: true,
    redirectModulePath: (path) => path,
    resolveAsset: () => null,
    resolveHasteModule: () => null,
    resolveHastePackage: () => null,
    sourceExts: ['js', 'mjs', 'json'],
    unstable_conditionNames: ['react-native'],
    unstable_conditionsByPlatform: {},
    unstable_enablePackageExports: true,
    unstable_incrementalResolution: false,
    unstable_logWarning: (message) => {
      throw new Error(message)
    },
  }
  return context
}

function packageOf(path: string): ReturnType<ResolutionContext['getPackageForModule']> {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (!existsSync(file)) continue
    const json = packageJson.parse(JSON.parse(readFileSync(file, 'utf8')))
    return { packageJson: json, rootPath: folder, packageRelativePath: relative(folder, path) }
  }
  return null
}
