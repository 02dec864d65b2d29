import { useMutation, useQueryClient, type QueryKey } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useAnnounce } from './announcer.js';
import { Confirm } from './dialog.js';

interface ConfirmActionProps {
  readonly title: string;
  readonly action: string;
  readonly done: string;
  /** The queries that are out of date afterwards. */
  readonly stale: QueryKey;
  readonly run: () => Promise<unknown>;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** Asks the user, acts, announces the result, and has the lists loaded again. */
export function ConfirmAction({ title, action, done, stale, run, onClose, children }: ConfirmActionProps) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const doing = useMutation({
    mutationFn: run,
    onSuccess: async () => {
      announce(done);
      onClose();
      await queryClient.invalidateQueries({ queryKey: stale });
    },
  });
  return (
    <Confirm
      open
      title={title}
      action={action}
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate()}
      onClose={onClose}
    >
      {children}
    </Confirm>
  );
}
