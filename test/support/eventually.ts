/** Waits for what happens by itself, without saying how fast it must. */

const EVERY_MS = 10;
const GIVE_UP_AFTER_MS = 30_000;

/**
 * Resolves once `check` passes: once it neither throws nor gives false.
 *
 * @throws what `check` threw last, when it never passes
 */
export async function eventually(check: () => unknown, giveUpAfterMs = GIVE_UP_AFTER_MS): Promise<void> {
  const deadline = performance.now() + giveUpAfterMs;
  for (;;) {
    try {
      if ((await check()) !== false) return;
      if (performance.now() > deadline) throw new Error(`It never came to: ${check.toString()}`);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await pause(EVERY_MS);
  }
}

/** Lets time pass where time itself is what is tested: a window that closes, a term that runs out. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export type Ending<T> = { readonly value: T } | { readonly error: unknown };

/** How a promise ended, without failing the test; `undefined` while it has not. */
export function watch<T>(promise: Promise<T>): { readonly ending: Ending<T> | undefined } {
  const watched: { ending: Ending<T> | undefined } = { ending: undefined };
  promise.then(
    (value) => {
      watched.ending = { value };
    },
    (error: unknown) => {
      watched.ending = { error };
    },
  );
  return watched;
}
