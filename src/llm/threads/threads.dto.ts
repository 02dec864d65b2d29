import { z } from 'zod';
import { pageRequest } from '../../platform/http/index.js';

export const listThreadsRequest = pageRequest;

const dateTime = z.string().meta({ format: 'date-time' });
const threadView = z.object({ conversationKey: z.string(), name: z.string(), createdAt: dateTime });

export const listThreadsResponse = z.object({ threads: z.array(threadView), nextPageToken: z.string() });
