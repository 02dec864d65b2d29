/** Begun anew for each turn, so that it holds nothing of an earlier one. */
let gathered: (() => void)[] = [];

/**
 * Runs work at the end of this turn of the event loop, once all that arrived was read. What many calls write goes out back to
 * back then: a write that has to wake its reader costs several times as much as one whose reader is awake (decision 0020).
 *
 * @param work must not throw
 */
export function atTurnsEnd(work: () => void): void {
  if (gathered.push(work) === 1) setImmediate(runGathered);
}

function runGathered(): void {
  const works = gathered;
  gathered = [];
  for (const work of works) work();
}
