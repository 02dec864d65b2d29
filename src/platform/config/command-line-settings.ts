import { z } from 'zod';
import { group, url } from './setting-definition.js';

const commandLine = group('Command line').define;

/** What the commands that talk to a running service need; the service itself reads neither. */
export const COMMAND_LINE_SETTINGS = {
  commandUrl: commandLine(
    'GATEHOUSE_URL',
    url('http:', 'https:'),
    'The running service that `gatehouse keys`, `tenants` and `providers` talk to. Unset: `PUBLIC_URL`; without that, this ' +
      'machine at `PORT`.',
  ),
  commandToken: commandLine(
    'GATEHOUSE_TOKEN',
    z.string().min(1),
    'The dashboard token that these commands send. Unset, in development: one that they sign themselves.',
    { secret: true },
  ),
} as const;
