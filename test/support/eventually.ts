/** Waits for asynchronous effects, without a limit on their speed. */

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

/** Lets time pass in tests of time itself: a window that closes, a term that expires. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

export type Ending<T> = { readonly value: T } | { readonly error: unknown };

/** How a promise ended, without failing the test; `undefined` while it is pending. */
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
