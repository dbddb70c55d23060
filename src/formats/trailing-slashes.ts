/** The text without the slashes it ends in. Not a pattern: `/\/+$/` takes quadratic time over slashes in the middle. */
export function withoutTrailingSlashes(text: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === '/') end--
  return text.slice(0, end)
}
