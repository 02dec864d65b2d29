import { randomBytes } from 'node:crypto';
import { ConfigurationError, loadSettings } from './load-settings.js';

const pepper = (version: number, bytes = 32): string => `${version}:${randomBytes(bytes).toString('base64url')}`;

const PRODUCTION: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://owner:hunter2@db.internal/gatehouse',
  GATEHOUSE_PEPPERS: pepper(1),
  GATEHOUSE_ENCRYPTION_KEYS: pepper(1),
  GATEHOUSE_SIGNING_KEYS: '-----BEGIN PRIVATE KEY-----\\nx\\n-----END PRIVATE KEY-----',
  FIREBASE_PROJECT_ID: 'demo-project',
  FIREBASE_SERVICE_ACCOUNT: '/run/secrets/firebase.json',
};

function without(...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(PRODUCTION).filter(([name]) => !names.includes(name)));
}

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    loadSettings(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as ConfigurationError).problems;
  }
  return [];
}

/** The variable at the beginning of each problem, as often as it is reported. */
const namesOf = (problems: readonly string[]): string[] => problems.map((problem) => problem.split(' ', 1)[0]!).sort();

describe('address ranges', () => {
  it.each(['TRUSTED_PROXIES', 'OUTBOUND_ALLOW_CIDRS'])(
    '%s takes ranges of either family, and none by default',
    (name) => {
      const read = (value?: string) => {
        const { settings } = loadSettings({ ...PRODUCTION, ...(value === undefined ? {} : { [name]: value }) });
        return name === 'TRUSTED_PROXIES' ? settings.trustedProxies : settings.outboundAllowCidrs;
      };
      expect(read()).toEqual([]);
      expect(read('10.1.0.0/16, fd00::/8')).toEqual(['10.1.0.0/16', 'fd00::/8']);
    },
  );

  it.each(['10.1.0.0', '10.1.0.0/33', 'proxy.internal', '0.0.0.0/0', '10.1.0.0/16,::/0'])('%s is refused', (value) => {
    for (const name of ['TRUSTED_PROXIES', 'OUTBOUND_ALLOW_CIDRS']) {
      expect(namesOf(problemsOf({ ...PRODUCTION, [name]: value }))).toEqual([name]);
    }
  });
});

describe('quotas of sealed access tokens', () => {
  it('are per minute, hour and day', () => {
    expect(loadSettings(PRODUCTION).settings).toMatchObject({
      ...{ sealedGlobalQuota: [600, 3_600, 86_400], sealedClientQuota: [60, 360, 8_640] },
      ...{ anonymousGlobalQuota: [100, 600, 1_200], anonymousClientQuota: [10, 60, 120], anonymousTokens: 'on' },
    });
    for (const value of ['60', '60/360', '0/1/1', '1/1/-1', 'a/b/c'])
      expect(namesOf(problemsOf({ ...PRODUCTION, GATEHOUSE_SEALED_CLIENT_QUOTA: value }))).toEqual([
        'GATEHOUSE_SEALED_CLIENT_QUOTA',
      ]);
  });
});

describe('SEALED_ALLOWED_ORIGINS', () => {
  const read = (value: string, environment: Record<string, string> = PRODUCTION) =>
    loadSettings({ ...environment, SEALED_ALLOWED_ORIGINS: value }).settings.sealedAllowedOrigins;

  it('takes origins, and none by default', () => {
    expect(loadSettings(PRODUCTION).settings.sealedAllowedOrigins).toEqual([]);
    expect(read('https://LLM.example.com, https://llm.example.com:8443,https://a.example:443/')).toEqual([
      'https://llm.example.com',
      'https://llm.example.com:8443',
      'https://a.example',
    ]);
    for (const origin of ['http://127.0.0.1:3000', 'http://localhost:3000', 'http://[::1]:3000'])
      expect(read(origin, { ...PRODUCTION, GATEHOUSE_DEV: '1' })).toEqual([origin]);
  });

  it.each([
    ...[
      'llm.example.com',
      '*',
      'https://*',
      'https://llm.example.com/v1',
      'https://llm.example.com?a',
      'https://a@b.example',
    ],
    ...['http://llm.example.com', 'http://127.0.0.1.example.com', 'ftp://llm.example.com', 'blob:https://a.example'],
  ])('%s is refused, in development, too', (value) => {
    for (const mode of ['0', '1'])
      expect(namesOf(problemsOf({ ...PRODUCTION, GATEHOUSE_DEV: mode, SEALED_ALLOWED_ORIGINS: value }))).toEqual([
        'SEALED_ALLOWED_ORIGINS',
      ]);
  });

  it('takes no http:// in production', () => {
    expect(namesOf(problemsOf({ ...PRODUCTION, SEALED_ALLOWED_ORIGINS: 'http://127.0.0.1:3000' }))).toEqual([
      'SEALED_ALLOWED_ORIGINS',
    ]);
  });
});

describe('the mode', () => {
  it.each<[string, Record<string, string>, string]>([
    ['nothing is set', {}, 'development'],
    ['DATABASE_URL is empty, which is as if it were unset', { DATABASE_URL: '' }, 'development'],
    ['NODE_ENV says production and no database is named', { NODE_ENV: 'production' }, 'development'],
    ['GATEHOUSE_DEV=1', { GATEHOUSE_DEV: '1' }, 'development'],
    ['a database is named with GATEHOUSE_DEV=1', { ...PRODUCTION, GATEHOUSE_DEV: '1' }, 'development'],
    ['a database is named with GATEHOUSE_DEV=true', { ...PRODUCTION, GATEHOUSE_DEV: 'true' }, 'development'],
    ['a database is named', PRODUCTION, 'production'],
    ['a database is named and NODE_ENV says development', { ...PRODUCTION, NODE_ENV: 'development' }, 'production'],
    ['a database is named and NODE_ENV says test', { ...PRODUCTION, NODE_ENV: 'test' }, 'production'],
    ['a database is named with GATEHOUSE_DEV=0', { ...PRODUCTION, GATEHOUSE_DEV: '0' }, 'production'],
    ['a database is named with GATEHOUSE_DEV=false', { ...PRODUCTION, GATEHOUSE_DEV: 'false' }, 'production'],
    ['a database is named with an empty GATEHOUSE_DEV', { ...PRODUCTION, GATEHOUSE_DEV: '' }, 'production'],
  ])('when %s', (_case, environment, mode) => {
    expect(loadSettings(environment).settings.mode).toBe(mode);
  });

  it('is never development with a malformed GATEHOUSE_DEV', () => {
    expect(namesOf(problemsOf({ ...PRODUCTION, GATEHOUSE_DEV: 'yes' }))).toEqual(['GATEHOUSE_DEV']);
  });

  it.each(['0', 'false'])('that GATEHOUSE_DEV=%s asks for names all missing settings of production at once', (flag) => {
    expect(namesOf(problemsOf({ GATEHOUSE_DEV: flag }))).toEqual([
      'DATABASE_URL',
      'FIREBASE_PROJECT_ID',
      'GATEHOUSE_ENCRYPTION_KEYS',
      'GATEHOUSE_PEPPERS',
      'GATEHOUSE_SIGNING_KEYS',
    ]);
  });

  it.each(['DATABASE_APP_URL', 'DATABASE_DIRECT_URL'])(
    'is never development beside %s: a named database is not a place for generated secrets',
    (variable) => {
      expect(problemsOf({ [variable]: 'postgres://app@db.internal/gatehouse' }).join('\n')).toContain('DATABASE_URL');
    },
  );

  it('binds development to loopback', () => {
    expect(loadSettings({}).settings.host).toBe('127.0.0.1');
    expect(loadSettings({ ...PRODUCTION, GATEHOUSE_DEV: '1' }).settings.host).toBe('127.0.0.1');
    expect(loadSettings(PRODUCTION).settings.host).toBe('0.0.0.0');
  });
});

describe('production', () => {
  it('accepts Firebase or another issuer for the dashboard, never both and never a half of one', () => {
    const { FIREBASE_PROJECT_ID: _firebase, ...rest } = PRODUCTION;
    const oidc = { DASHBOARD_OIDC_ISSUER: 'https://id.example.com', DASHBOARD_OIDC_AUDIENCE: 'gatehouse' };
    expect(loadSettings({ ...rest, ...oidc }).settings).toMatchObject({
      dashboardOidcIssuer: 'https://id.example.com',
    });
    expect(problemsOf({ ...PRODUCTION, ...oidc })).toEqual([expect.stringMatching(/must not both be set/)]);
    expect(problemsOf({ ...rest, DASHBOARD_OIDC_ISSUER: oidc.DASHBOARD_OIDC_ISSUER })).toEqual([
      'DASHBOARD_OIDC_ISSUER needs a DASHBOARD_OIDC_AUDIENCE',
    ]);
    expect(problemsOf({ ...rest, ...oidc, DASHBOARD_OIDC_ISSUER: 'http://id.example.com' })).toEqual([
      expect.stringMatching(/must begin with https/),
    ]);
    expect(problemsOf({ ...PRODUCTION, DASHBOARD_OIDC_CLIENT_ID: 'gatehouse' })).toEqual([
      'DASHBOARD_OIDC_CLIENT_ID needs a DASHBOARD_OIDC_ISSUER',
    ]);
    for (const scopes of ['email profile', 'openid  email', 'openid;email'])
      expect(namesOf(problemsOf({ ...rest, ...oidc, DASHBOARD_OIDC_SCOPES: scopes }))).toEqual([
        'DASHBOARD_OIDC_SCOPES',
      ]);
  });

  it.each(['GATEHOUSE_PEPPERS', 'GATEHOUSE_ENCRYPTION_KEYS', 'GATEHOUSE_SIGNING_KEYS', 'FIREBASE_PROJECT_ID'])(
    'refuses to start without %s',
    (name) => {
      expect(namesOf(problemsOf(without(name)))).toEqual([name]);
      expect(namesOf(problemsOf({ ...PRODUCTION, [name]: '' }))).toEqual([name]);
    },
  );

  it('names all missing settings at once', () => {
    const { DATABASE_URL } = PRODUCTION;
    expect(namesOf(problemsOf({ DATABASE_URL: DATABASE_URL! }))).toEqual([
      'FIREBASE_PROJECT_ID',
      'GATEHOUSE_ENCRYPTION_KEYS',
      'GATEHOUSE_PEPPERS',
      'GATEHOUSE_SIGNING_KEYS',
    ]);
  });

  it('names a DATABASE_URL of another kind once, together with all that is missing', () => {
    expect(namesOf(problemsOf({ DATABASE_URL: 'mysql://db.internal/gatehouse' }))).toEqual([
      'DATABASE_URL',
      'FIREBASE_PROJECT_ID',
      'GATEHOUSE_ENCRYPTION_KEYS',
      'GATEHOUSE_PEPPERS',
      'GATEHOUSE_SIGNING_KEYS',
    ]);
    const told = namesOf(problemsOf({ DATABASE_URL: 'mysql://db.internal/gatehouse', GATEHOUSE_DEV: '0' }));
    expect(told.filter((name) => name === 'DATABASE_URL')).toHaveLength(1);
  });
});

describe('problems', () => {
  const WRONG: Readonly<Record<string, string>> = {
    PORT: '70000',
    METRICS_PORT: '-1',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'hunter2-is-not-a-url',
    REDIS_URL: 'http://hunter2@redis',
    GATEHOUSE_PEPPERS: '1:hunter2',
    OPENAI_BASE_URL: 'hunter2',
    FIREBASE_PROJECT_ID: 'Hunter2!',
    GATEHOUSE_BODY_LIMIT_BYTES: '1e6',
    GATEHOUSE_RATE_WINDOW_SECONDS: ' 60',
    GATEHOUSE_DUMMY_PROVIDER: 'maybe',
  };

  it('are all reported at once, by name', () => {
    for (const name of Object.keys(WRONG)) expect(namesOf(problemsOf(WRONG))).toContain(name);
  });

  it('never show a value, which may be a secret', () => {
    const told = (() => {
      try {
        loadSettings(WRONG);
        return '';
      } catch (error) {
        return `${(error as Error).message}\n${JSON.stringify(error)}`;
      }
    })();
    expect(told).toContain('GATEHOUSE_PEPPERS');
    expect(told.toLowerCase()).not.toContain('hunter2');
    for (const value of Object.values(WRONG).filter((text) => text.length > 4)) expect(told).not.toContain(value);
  });

  it('give the range of a number that is outside it', () => {
    expect(problemsOf({ PORT: '65536' })).toEqual(['PORT must be a whole number from 0 to 65535']);
  });
});

describe('values', () => {
  it('take their defaults where a variable is empty', () => {
    const empty = { PORT: '', LOG_LEVEL: '', REDIS_URL: '', GATEHOUSE_LEASE_SECONDS: '', OPENAI_API_KEY: '' };
    expect(loadSettings(empty).settings).toEqual(loadSettings({}).settings);
    expect(loadSettings(empty).settings).toMatchObject({ port: 3000, leaseSeconds: 20 });
    expect(loadSettings(empty).settings.redisUrl).toBeUndefined();
  });

  it("can't be changed once they are read", () => {
    expect(Object.isFrozen(loadSettings({}).settings)).toBe(true);
  });

  it('of lists lose their blanks', () => {
    expect(loadSettings({ OPENAI_MODELS: ' a, b ,,c' }).settings.openaiModels).toEqual(['a', 'b', 'c']);
  });
});

describe('peppers', () => {
  it('come in the order that they are written in, newest first', () => {
    const [newest, older] = [pepper(7), pepper(3, 48)];
    const { settings } = loadSettings({ ...PRODUCTION, GATEHOUSE_PEPPERS: `${newest} , ${older}` });
    expect(settings.peppers?.map(({ version }) => version)).toEqual([7, 3]);
    expect(settings.peppers?.map(({ version, secret }) => `${version}:${secret.toString('base64url')}`)).toEqual([
      newest,
      older,
    ]);
  });

  it.each([
    ['a secret of 31 bytes', pepper(1, 31)],
    ['a second one that is too short', `${pepper(2)},${pepper(1, 8)}`],
    ['a version twice', `${pepper(1)},${pepper(1)}`],
    ['a version twice, once with a leading zero', `${pepper(1)},0${pepper(1)}`],
    ['no version', randomBytes(32).toString('base64url')],
    ['a comma at the end', `${pepper(1)},`],
    ['characters outside base64url', `1:${'!'.repeat(64)}`],
  ])('are refused with %s', (_case, value) => {
    expect(namesOf(problemsOf({ ...PRODUCTION, GATEHOUSE_PEPPERS: value }))).toEqual(['GATEHOUSE_PEPPERS']);
  });
});

describe('encryption keys', () => {
  it('come newest first, by the rules of peppers', () => {
    const { settings } = loadSettings({ ...PRODUCTION, GATEHOUSE_ENCRYPTION_KEYS: `${pepper(2)},${pepper(1)}` });
    expect(settings.encryptionKeys?.map(({ version }) => version)).toEqual([2, 1]);
  });

  it.each([
    ['a secret of 31 bytes', pepper(1, 31)],
    ['a secret of 33 bytes, which AES-256 would not take', pepper(1, 33)],
    ['a version twice', `${pepper(1)},${pepper(1)}`],
  ])('are refused with %s', (_case, value) => {
    expect(namesOf(problemsOf({ ...PRODUCTION, GATEHOUSE_ENCRYPTION_KEYS: value }))).toEqual([
      'GATEHOUSE_ENCRYPTION_KEYS',
    ]);
  });
});

describe('unknown settings', () => {
  it('with names like ours are warned about, in production and in development', () => {
    for (const environment of [{}, PRODUCTION]) {
      const { warnings } = loadSettings({
        ...environment,
        GATEHOUSE_PEPPER: 'hunter2',
        GATEHOUSE_ZZZ: '1',
        OTHER: '1',
      });
      expect(warnings).toHaveLength(2);
      expect(warnings[0]).toContain('GATEHOUSE_PEPPER ');
      expect(warnings[1]).toContain('GATEHOUSE_ZZZ');
      expect(warnings.join()).not.toContain('hunter2');
    }
  });

  it('that exist cause no warning', () => {
    expect(loadSettings({ ...PRODUCTION, GATEHOUSE_DEV: '1', GATEHOUSE_HOME: 'x' }).warnings).toEqual([]);
  });

  it("production without the settings for Firebase's account checks warns that no user can sign in", () => {
    const alone = without('FIREBASE_SERVICE_ACCOUNT');
    expect(loadSettings(alone).warnings).toEqual([expect.stringMatching(/^FIREBASE_SERVICE_ACCOUNT is not set/)]);
    expect(loadSettings({ ...alone, GOOGLE_APPLICATION_CREDENTIALS: '/run/a.json' }).warnings).toEqual([]);
    expect(loadSettings({ ...alone, GATEHOUSE_DEV: '1' }).warnings).toEqual([]);
  });
});

describe('the Firebase emulator, whose tokens are unsigned', () => {
  const EMULATOR = { FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099' };

  it('is refused in production, for a demo project too', () => {
    expect(namesOf(problemsOf({ ...PRODUCTION, ...EMULATOR }))).toEqual(['FIREBASE_AUTH_EMULATOR_HOST']);
  });

  it('is refused in development for a project that is not a demo, and without a project', () => {
    expect(namesOf(problemsOf({ ...EMULATOR, FIREBASE_PROJECT_ID: 'real-project' }))).toEqual([
      'FIREBASE_AUTH_EMULATOR_HOST',
    ]);
    expect(namesOf(problemsOf(EMULATOR))).toEqual(['FIREBASE_AUTH_EMULATOR_HOST']);
  });

  it('is accepted in development for a demo project', () => {
    const { settings } = loadSettings({ ...EMULATOR, FIREBASE_PROJECT_ID: 'demo-project' });
    expect(settings.firebaseEmulatorHost).toBe('127.0.0.1:9099');
  });
});
