/** Work on a large text that rests now and then, so that something else can be done in between. */
export type Steps<Result> = Generator<void, Result, void>;

/** So many characters or bytes are looked through in one step: a millisecond or two. */
export const STEP_LENGTH = 512 * 1024;

export function allAtOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
