/** The text with another last character, whatever the last one is: a constant would leave one key in 62 unchanged. */
export function withOtherEnd(text: string): string {
  return text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');
}
