/** How work ended, where it may end with a fault. */
import { Fault } from '../../src/platform/errors/index.js';

/** The fault that it ended with; any other end fails the test. */
export async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

/** `done`, or the kind of the fault. @throws any other error */
export async function endingOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof Fault) return error.kind;
    throw error;
  }
}
