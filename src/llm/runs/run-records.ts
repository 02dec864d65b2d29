import { Injectable } from '@nestjs/common';
import { RUN_CODES } from '../../platform/errors/index.js';
import { RunRecord } from './run-record.js';
import { RunTexts } from './run-texts.js';
import { RunsRepository } from './runs.repository.js';

/** What is known here of open runs: this process's own, and those of others that a client reads here. */
@Injectable()
export class RunRecords {
  private readonly records = new Map<string, RunRecord>();

  constructor(
    private readonly repository: RunsRepository,
    private readonly texts: RunTexts,
  ) {}

  /** The runs that are read here and run elsewhere, or that wait for tools. */
  get watched(): readonly RunRecord[] {
    return [...this.records.values()].filter((record) => !record.isLocal && !record.isOver && record.hasReaders);
  }

  /** The record of a run that this process begins, or goes on with: those who read it already read on. */
  async claim(runId: string, tenantId: string, step: number): Promise<RunRecord> {
    const record = this.records.get(runId) ?? new RunRecord(runId, tenantId);
    this.records.set(runId, record);
    record.isLocal = true;
    record.setStatus('RUNNING');
    // Its earlier answers may have been made elsewhere.
    if (step > 0) await this.fill(record);
    return record;
  }

  release(record: RunRecord): void {
    record.isLocal = false;
    this.forget(record);
  }

  /** The record of a run for a reader, who leaves it by `forget`; null: it is not there any more. */
  async open(tenantId: string, runId: string): Promise<RunRecord | null> {
    const known = this.records.get(runId);
    if (known !== undefined) return known;
    const record = new RunRecord(runId, tenantId);
    if (!(await this.fill(record))) return null;
    const meanwhile = this.records.get(runId);
    if (meanwhile !== undefined) return meanwhile;
    if (!record.isOver) this.records.set(runId, record);
    return record;
  }

  forget(record: RunRecord): void {
    if (!record.isLocal && !record.hasReaders && this.records.get(record.id) === record) this.records.delete(record.id);
  }

  /** Brings a record up to what is stored. @returns false: the run is not there any more */
  async fill(record: RunRecord): Promise<boolean> {
    const { id, tenantId } = record;
    const stored = await this.repository.load(tenantId, id);
    if (stored === null) return false;
    const { run, messages, deltas } = stored;
    let step = 0;
    for (const message of messages) {
      if (message.role !== 'assistant') continue;
      const { content, toolCalls } = await this.texts.openMessage(tenantId, message.id, message.body);
      record.add(step, 0, content);
      if (toolCalls !== undefined) record.endStep(step, toolCalls);
      step += 1;
    }
    for (const { step: of, startAt, body } of deltas) {
      record.add(of, startAt, await this.texts.openDelta(tenantId, id, of, startAt, body));
    }
    const failure = run.failure === null ? null : await this.texts.openFailure(tenantId, id, run.failure);
    const told = run.errorCode === null ? null : { code: run.errorCode, message: messageOf(run.errorCode) };
    // A local run knows best how it stands.
    if (!record.isLocal) record.setStatus(run.status, failure ?? told);
    return true;
  }
}

/** Of failures that the database itself tells. */
function messageOf(code: string): string {
  const codes: Readonly<Record<string, { readonly meaning: string; readonly remedy: string }>> = RUN_CODES;
  const known = codes[code];
  return known === undefined ? code : `${known.meaning} ${known.remedy}`;
}
