/**
 * A function for the page: the contrast of an element's text with what lies behind it (WCAG 2), opacity counted. The box
 * nearest to the text is taken as its background, and the next one as what shows through where that is translucent.
 */
export const contrast = String.raw`(element) => {
  const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number)
  const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4)
  const light = ([red, green, blue]) => 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
  const over = (top, below, share) => [0, 1, 2].map((index) => top[index] * share + below[index] * (1 - share))
  const boxes = []
  let opacity = 1
  for (let one = element; one !== null && boxes.length < 2; one = one.parentElement) {
    const style = getComputedStyle(one)
    if (boxes.length === 0) opacity *= Number(style.opacity)
    const colour = numbers(style.backgroundColor)
    if (colour[3] !== 0) boxes.push(colour)
  }
  const [box, ground = [255, 255, 255]] = boxes
  const text = light(over(numbers(getComputedStyle(element).color), ground, opacity))
  const behind = light(over(box, ground, opacity))
  return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05)
}`
