/** A newcomer in a fresh checkout: one development service, and the programs of pages in order and unchanged. */
import { startCheckout } from '../../support/checkout.js';
import { Guide } from '../../support/guide.js';
import type { ServiceProcess } from '../../support/service.js';

export const FIRST_CALLS = 'docs/guides/first-steps.md';

/** The output of the programs under a heading. */
export type Followed = (heading: string, at?: number) => string;

export class Newcomer {
  private readonly guides: Guide[] = [];
  /** The exports of "set up your shell", which most pages begin with and which is the same for each page. */
  private shell: Promise<Record<string, string>> | undefined;

  private constructor(readonly service: ServiceProcess) {}

  static async start(): Promise<Newcomer> {
    return new Newcomer(await startCheckout());
  }

  async stop(): Promise<void> {
    for (const guide of this.guides) await guide.close();
    await this.service.stop();
  }

  /** @param environment values that the page lets its reader choose, such as a provider's key */
  async open(page: string, environment: Readonly<Record<string, string>> = {}): Promise<Guide> {
    const guide = await this.openBare(page);
    guide.environment = { ...(await (this.shell ??= this.setUpShell())), ...environment };
    return guide;
  }

  /** Follows a page, or some of its headings. */
  async follow(
    page: string,
    { headings, environment }: { headings?: readonly string[]; environment?: Readonly<Record<string, string>> } = {},
  ): Promise<Followed> {
    const guide = await this.open(page, environment);
    const said = await guide.walk(headings);
    return (heading, at = 0) => {
      const text = said.get(heading)?.[at];
      if (text === undefined) throw new Error(`${page} ran no program ${at} under "${heading}".`);
      return text;
    };
  }

  private async setUpShell(): Promise<Record<string, string>> {
    const guide = await this.openBare(FIRST_CALLS);
    const [setUp] = guide.programs('Set up your shell', 'sh');
    const printed = await guide.runProgram({ language: 'sh', code: `${setUp?.code}export -p` }, 'Set up your shell');
    const named = [...printed.matchAll(/^export (GATEHOUSE_URL|SECRET_KEY|TENANT_ID|TOKEN)='([^']*)'$/gm)];
    expect(named).toHaveLength(4);
    return Object.fromEntries(named.map(([, name = '', value = '']) => [name, value]));
  }

  private async openBare(page: string): Promise<Guide> {
    const guide = await Guide.open(page, this.service.process.folder);
    this.guides.push(guide);
    return guide;
  }
}

export function parsed(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>;
}

/** An answer of the built-in model. */
export const completion = (content: string): object => ({ choices: [{ message: { content } }] });
