import { shownStatus, type RunFailure, type RunStatus, type ToolCall } from './run.types.js';

/** One answer of the model within a run. */
interface Step {
  text: string;
  /** The calls of tools that it ended with; null: it has not ended, or without any. */
  toolCalls: readonly ToolCall[] | null;
}

/**
 * What a run has said up to now, for those who read it: kept once, however many read, each of whom knows how far it has
 * come. So a slow reader holds nothing back and costs no memory.
 */
export class RunRecord {
  readonly steps: Step[] = [];
  status: RunStatus = 'RUNNING';
  failure: RunFailure | null = null;
  /** This process runs it; of another one it is heard by the ticks. */
  isLocal = false;
  private readonly readers = new Set<() => void>();

  constructor(
    readonly id: string,
    readonly tenantId: string,
  ) {}

  get isOver(): boolean {
    return shownStatus(this.status) !== 'RUNNING';
  }

  get hasReaders(): boolean {
    return this.readers.size > 0;
  }

  /** The answer that is being made, or made next. */
  get currentStep(): number {
    const open = this.steps.findIndex(({ toolCalls }) => toolCalls === null);
    return open === -1 ? this.steps.length : open;
  }

  stepAt(step: number): Step {
    while (this.steps.length <= step) this.steps.push({ text: '', toolCalls: null });
    return this.steps[step] as Step;
  }

  /** Adds text that begins where the step's text is known to be; what is known already is left as it is. */
  add(step: number, startAt: number, text: string): void {
    const known = this.stepAt(step);
    const from = known.text.length - startAt;
    if (from < 0 || from >= text.length) return;
    known.text += text.slice(from);
    this.tell();
  }

  endStep(step: number, toolCalls: readonly ToolCall[]): void {
    this.stepAt(step).toolCalls = toolCalls;
    this.tell();
  }

  setStatus(status: RunStatus, failure: RunFailure | null = null): void {
    this.status = status;
    this.failure = failure;
    this.tell();
  }

  /** @returns ends it */
  read(reader: () => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  private tell(): void {
    for (const reader of [...this.readers]) reader();
  }
}
