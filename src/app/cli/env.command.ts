import path from 'node:path';
import { loadProcessSettings } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { show, type OutputOptions } from './command-output.js';

const DEVELOPMENT_OWNER = 'dev-owner';
/** Twelve hours: one paste lasts for a day of work. */
const TOKEN_SECONDS = '43200';

/** Shell variables for the guides' programs, which run as they stand once `eval` has taken them in. */
export async function printEnvironment(options: OutputOptions): Promise<void> {
  const { settings } = loadProcessSettings();
  const { readQuickstart, tokenFor } = await import('../../development/index.js');
  const file = path.join(settings.home, 'quickstart.json');
  const quickstart = settings.mode === 'development' ? await readQuickstart(file) : null;
  if (quickstart === null) {
    throw new OperatorError(
      `There is no ${file}, which a development service writes at its start: run \`npm start\` first.`,
    );
  }
  const token = await tokenFor(['--user', DEVELOPMENT_OWNER, '--expires-in', TOKEN_SECONDS], settings);
  const variables = {
    GATEHOUSE_URL: quickstart.baseUrl,
    SECRET_KEY: quickstart.secretKey,
    TENANT_ID: quickstart.tenantId,
    TOKEN: token,
  };
  show(options, variables, () =>
    Object.entries(variables)
      .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`)
      .join('\n'),
  );
}
