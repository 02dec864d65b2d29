import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answerOf, api } from '../../api/client.js';
import type { Human } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Confirm } from '../../kit/dialog.js';
import { m } from '../../messages/index.js';

export function EraseHuman({ of, onClose }: { of: Human; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const erase = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/humans/delete', { body: { human: of.human } })),
    onSuccess: async () => {
      announce(m.humans.erased);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['humans'] });
    },
  });
  return (
    <Confirm
      open
      title={m.humans.eraseTitle(of.human)}
      action={m.humans.erase}
      busy={erase.isPending}
      error={erase.error}
      onConfirm={() => erase.mutate()}
      onClose={onClose}
    >
      <p>{m.humans.eraseLead}</p>
    </Confirm>
  );
}
