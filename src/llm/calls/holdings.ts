import type { ShareOwner } from '../../platform/shares/index.js';
import type { CallContext } from './call-context.js';
import type { CallSink } from './call-sink.js';
import type { AnswerRoom } from './kept-answers.js';

/** What a call holds beside its own place, until nothing of it is read any more. */
export class Holdings {
  private isLate = false;
  /** Absent for answers that are not large. */
  private answerRoom: AnswerRoom | null = null;

  constructor(
    private readonly context: Pick<CallContext, 'lateCalls' | 'answers'>,
    private readonly owner: ShareOwner,
  ) {}

  /** @returns whether the call has one of the places for late calls */
  takeLatePlace(): boolean {
    return (this.isLate ||= this.context.lateCalls.admit(this.owner));
  }

  /** An earlier try of the call gives the place back when it is over. */
  leaveLatePlaceToTry(): void {
    this.isLate = false;
  }

  /** @returns false: there is no room for so much more of an answer */
  keep(bytes: number): boolean {
    this.answerRoom ??= this.context.answers.roomOf(this.owner);
    return this.answerRoom.growBy(bytes);
  }

  release(sink: CallSink): void {
    if (this.isLate) this.context.lateCalls.leave(this.owner);
    this.isLate = false;
    const { answerRoom } = this;
    if (answerRoom !== null && sink.whenTaken !== undefined) sink.whenTaken(() => answerRoom.release());
    else answerRoom?.release();
  }
}
