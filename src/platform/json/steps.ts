/** Work on a large text that yields now and then, so that other work can run in between. */
export type Steps<Result> = Generator<void, Result, void>;

/** How many characters or bytes one step reads, in a millisecond or two. */
export const STEP_LENGTH = 512 * 1024;

export function allAtOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
