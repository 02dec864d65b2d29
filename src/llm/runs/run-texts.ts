import { Injectable } from '@nestjs/common';
import { TenantCipher } from '../../platform/encryption/index.js';
import type { MessageBody, RunFailure, RunSetup, ThreadSetup } from './run.types.js';

/** What people, models and tools say, encrypted for its tenant: each text opens at its own row alone. */
@Injectable()
export class RunTexts {
  constructor(private readonly cipher: TenantCipher) {}

  sealMessage(tenantId: string, messageId: string, body: MessageBody): Promise<Buffer> {
    return this.seal(tenantId, 'thread_messages', messageId, body);
  }

  openMessage(tenantId: string, messageId: string, bytes: Uint8Array): Promise<MessageBody> {
    return this.open(tenantId, 'thread_messages', messageId, bytes);
  }

  sealThreadSetup(tenantId: string, threadId: string, setup: ThreadSetup): Promise<Buffer> {
    return this.seal(tenantId, 'threads', threadId, setup);
  }

  openThreadSetup(tenantId: string, threadId: string, bytes: Uint8Array | null): Promise<ThreadSetup> {
    return bytes === null ? Promise.resolve({}) : this.open(tenantId, 'threads', threadId, bytes);
  }

  sealRunSetup(tenantId: string, runId: string, setup: RunSetup): Promise<Buffer> {
    return this.seal(tenantId, 'runs', runId, setup);
  }

  openRunSetup(tenantId: string, runId: string, bytes: Uint8Array | null): Promise<RunSetup> {
    return bytes === null ? Promise.resolve({}) : this.open(tenantId, 'runs', runId, bytes);
  }

  sealFailure(tenantId: string, runId: string, failure: RunFailure): Promise<Buffer> {
    return this.seal(tenantId, 'runs.failure', runId, failure);
  }

  openFailure(tenantId: string, runId: string, bytes: Uint8Array): Promise<RunFailure> {
    return this.open(tenantId, 'runs.failure', runId, bytes);
  }

  sealDelta(tenantId: string, runId: string, step: number, startAt: number, text: string): Promise<Buffer> {
    return this.cipher.encrypt(tenantId, text, { table: 'run_deltas', rowId: `${runId}.${step}.${startAt}` });
  }

  async openDelta(tenantId: string, runId: string, step: number, startAt: number, bytes: Uint8Array): Promise<string> {
    const place = { table: 'run_deltas', rowId: `${runId}.${step}.${startAt}` };
    return (await this.cipher.decrypt(tenantId, bytes, place)).toString('utf8');
  }

  private seal(tenantId: string, table: string, rowId: string, value: object): Promise<Buffer> {
    return this.cipher.encryptJson(tenantId, value, { table, rowId });
  }

  private async open<T>(tenantId: string, table: string, rowId: string, bytes: Uint8Array): Promise<T> {
    return (await this.cipher.decryptJson(tenantId, bytes, { table, rowId })) as T;
  }
}

/** A message's id: its run's, and its place there. */
export function messageIdOf(runId: string, n: number): string {
  return `${runId}.${n}`;
}

/** The place of a run's next message, of the ids of its thread's messages, newest first. */
export function nextPlaceOf([newest = '']: readonly string[]): number {
  return Number(newest.split('.')[1] ?? 0) + 1;
}
