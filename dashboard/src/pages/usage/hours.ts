/** Hours of a zone, for charts of a day. */
export function hourIn(zone: string): (iso: string) => string {
  const format = new Intl.DateTimeFormat(navigator.language, {
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZone: zone,
  });
  return (iso) => format.format(new Date(iso));
}
