import { onlineManager, type UseQueryResult } from '@tanstack/react-query';
import { useSyncExternalStore, type ReactNode } from 'react';
import { ApiError, UnreachableError } from '../api/api-error.js';
import { m } from '../messages/index.js';
import { MovedError } from '../session/session.js';
import { SignInEndedError, SignInError } from '../session/sign-in-error.js';
import { Button } from './button.js';
import { Icon } from './icon.js';
import { Empty, Skeleton } from './surface.js';

export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof UnreachableError) return m.states.unreachable;
  if (error instanceof MovedError) return m.states.moved;
  if (error instanceof SignInError) return m.signIn.failures[error.failure](error.detail);
  if (error instanceof SignInEndedError) return m.signIn.expired;
  return m.states.unexpected;
}

/** Shows an error in the API's own words, with the request's id for support. */
export function Fault({ error, retry }: { error: unknown; retry?: () => void }) {
  const requestId = error instanceof ApiError ? error.requestId : '';
  return (
    <div role="alert" className="flex flex-wrap items-center gap-3 rounded-lg bg-bad-wash px-4 py-3 text-bad">
      <Icon name="circle-alert" />
      <div className="min-w-0 flex-1">
        <p className="break-words">{messageOf(error)}</p>
        {requestId === '' ? null : <p className="font-mono text-xs break-all">{requestId}</p>}
      </div>
      {retry ? (
        <Button size="small" onClick={retry}>
          {m.states.retry}
        </Button>
      ) : null}
    </div>
  );
}

export function useOnline(): boolean {
  return useSyncExternalStore(
    (listener) => onlineManager.subscribe(listener),
    () => onlineManager.isOnline(),
  );
}

type Awaited = Pick<UseQueryResult, 'error' | 'isPending' | 'refetch' | 'data'>;

interface AwaitProps {
  readonly query: Awaited;
  /** Shown while nothing has loaded yet. */
  readonly pending?: ReactNode;
  readonly children: ReactNode;
}

/** The states of a query: loading, failed, offline; otherwise the children. Loaded data stays on the screen after a failure. */
export function Await({ query, pending, children }: AwaitProps) {
  const online = useOnline();
  const retry = (): void => void query.refetch();
  if (query.data !== undefined) {
    return (
      <>
        {query.error === null ? null : (
          <div className="p-4">
            <Fault error={query.error} retry={retry} />
          </div>
        )}
        {children}
      </>
    );
  }
  if (query.error !== null) {
    return (
      <div className="p-4">
        <Fault error={query.error} retry={retry} />
      </div>
    );
  }
  if (!online) return <Empty icon="wifi-off" title={m.states.offlineTitle} children={m.states.offlineHint} />;
  return (
    <div role="status">
      {pending ?? <ListSkeleton />}
      <span className="sr-only">{m.states.loading}</span>
    </div>
  );
}

export function ListSkeleton({ rows = 4 }: { rows?: number }) {
  return (
    <div className="grid gap-4 p-5">
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="flex items-center gap-4">
          <Skeleton className="h-4 w-2/5" />
          <Skeleton className="h-4 w-1/5" />
          <Skeleton className="ml-auto h-4 w-16" />
        </div>
      ))}
    </div>
  );
}
