import { useMutation, useQueryClient } from '@tanstack/react-query';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import type { Gateway, RequestOf } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { m } from '../../messages/index.js';

type Changes = Omit<RequestOf<'/api/v1/gateways/update'>, 'gatewayId'>;

export function useUpdateGateway({ id }: Gateway) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const update = useMutation({
    mutationFn: (changes: Changes) =>
      answerOf(api.POST('/api/v1/gateways/update', { body: { gatewayId: id, ...changes } })),
    onSuccess: async ({ gateway }) => {
      queryClient.setQueryData(['gateways', 'one', id], gateway);
      announce(m.kit.saved);
      await queryClient.invalidateQueries({ queryKey: ['gateways'] });
    },
  });
  const errors = faultsByField(update.error);
  return { ...update, errors, otherError: Object.keys(errors).length === 0 ? update.error : null };
}
