import type { ChatPrincipal } from '../access/chat-access.js';
import type { IdempotentRequest } from '../../platform/idempotency/index.js';
import type { StoredOwner } from '../access/stored-owner.js';
import type { Caller } from '../calls/caller.js';

/** As everybody is told; a run that waits, or that waits for tools, is on its way. */
export type ShownStatus = 'RUNNING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
/** As it is stored: `WAITING` for the thread's live run, `ACTION` for the outputs of tools that the caller runs. */
export type RunStatus = ShownStatus | 'WAITING' | 'ACTION';

export function shownStatus(status: RunStatus): ShownStatus {
  return status === 'WAITING' || status === 'ACTION' ? 'RUNNING' : status;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, as the model wrote it. */
  readonly arguments: string;
  /** What the provider wants back beside it, e.g. a signature of the model's thoughts. */
  readonly extraContent?: unknown;
}

/** What a message says, as it is encrypted. */
export interface MessageBody {
  readonly content: string;
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool's output: which call it answers. */
  readonly toolCallId?: string;
  readonly extraContent?: unknown;
}

export type MessageRole = 'user' | 'assistant' | 'tool';

/** A tool that the model can call and the caller runs. */
export interface Tool {
  readonly name: string;
  readonly description?: string | undefined;
  /** A JSON Schema. */
  readonly parameters?: Readonly<Record<string, unknown>> | undefined;
}

/** What comes with one message, for its run alone. */
export interface RunSetup {
  readonly tools?: readonly Tool[];
  /** `auto`, `none`, `required`, or the name of a tool. */
  readonly toolChoice?: string;
}

/** What holds for all runs of a thread. */
export interface ThreadSetup {
  readonly systemPrompt?: string;
  readonly tools?: readonly Tool[];
}

/** A message that begins a run. */
export interface RunStart {
  readonly id: string;
  readonly owner: StoredOwner;
  readonly conversationKey: string;
  readonly caller: Pick<Caller, 'requestId'> & { readonly principal: ChatPrincipal };
  readonly content: string;
  readonly setup: RunSetup;
  /** Where the request carries an Idempotency-Key. */
  readonly idempotent: IdempotentRequest | null;
}

/** Why a run failed: the code is for programs, and in webhooks; the text may quote what the caller wrote. */
export interface RunFailure {
  readonly code: string;
  readonly message: string;
}
