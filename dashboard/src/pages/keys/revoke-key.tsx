import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answerOf, api } from '../../api/client.js';
import type { ApiKey } from '../../api/types.js';
import { formatAgo } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Confirm } from '../../kit/dialog.js';
import { Note } from '../../kit/surface.js';
import { m } from '../../messages/index.js';

export function RevokeKey({ of, onClose }: { of: ApiKey; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const revoke = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/api-keys/revoke', { body: { keyId: of.keyId } })),
    onSuccess: async () => {
      announce(m.keyRevoke.done(of.name));
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
  return (
    <Confirm
      open
      title={m.keyRevoke.title(of.name)}
      action={m.keyRevoke.submit}
      busy={revoke.isPending}
      error={revoke.error}
      onConfirm={() => revoke.mutate()}
      onClose={onClose}
    >
      <p>{m.keyRevoke.lead}</p>
      {of.lastUsedAt === undefined ? null : <Note>{m.keyRevoke.inUse(formatAgo(of.lastUsedAt))}</Note>}
    </Confirm>
  );
}
