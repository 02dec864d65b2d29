/**
 * Does a piece of work again for as long as there was enough of it for a whole one.
 *
 * @param piece does at most `most`, and says how much it did
 */
export async function inFullSteps(most: number, stopping: AbortSignal, piece: () => Promise<number>): Promise<void> {
  while (!stopping.aborted && (await piece()) >= most);
}
