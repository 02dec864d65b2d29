/**
 * Repeats a piece of work while each piece is a full one: a smaller piece means that nothing is left.
 *
 * @param piece does at most `most`, and returns how much it did
 */
export async function inFullSteps(most: number, stopping: AbortSignal, piece: () => Promise<number>): Promise<void> {
  while (!stopping.aborted && (await piece()) >= most);
}
