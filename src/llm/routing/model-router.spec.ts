import { loadSettings, type ConfiguredSettings } from '../../platform/config/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { PlatformProviderTenants } from './platform-provider-tenants.js';
import { ModelRouter } from './model-router.js';

const KEY = { OPENAI_API_KEY: 'sk-secret', OPENAI_MODELS: 'm' };
const NAMED = { PLATFORM_PROVIDER_TENANTS: 'tenant-1' };

/** No tenant here has a provider of its own, or a route. */
const NO_PROVIDERS = { of: () => [], now: () => Promise.resolve([]) } as never;
const NO_ROUTES = { of: (tenantId: string) => ({ tenantId, routes: new Map() }) } as never;

function routerFor(environment: Record<string, string>, mode: ConfiguredSettings['mode'] = 'development') {
  const settings = { ...loadSettings(environment).settings, mode };
  const tenants = new PlatformProviderTenants(settings);
  const http = new OutboundHttp(settings);
  const router = new ModelRouter(settings, http, new Tokenizer(), tenants, NO_PROVIDERS, NO_ROUTES);
  const name = async (tenantId: string, model = 'm'): Promise<string> => {
    try {
      return (await router.routeOf(tenantId, model)).targets[0].provider.name;
    } catch (error) {
      return (error as { code?: string }).code ?? 'unknown';
    }
  };
  return { router, tenants, name };
}

describe('ModelRouter', () => {
  it('uses the platform’s credential for the tenants that the operator names, and for no other', async () => {
    const { name, tenants } = routerFor({ ...KEY, ...NAMED });
    expect(await name('tenant-1')).toBe('openai');
    expect(await name('tenant-2')).toBe('no_provider_configured');
    tenants.allow('tenant-2');
    expect(await name('tenant-2')).toBe('openai');
  });

  it('uses it for every tenant where the operator says so', async () => {
    const { name } = routerFor({ ...KEY, PLATFORM_PROVIDER_TENANTS: '*' });
    expect(await name('tenant-1')).toBe('openai');
    expect(await name('any other')).toBe('openai');
  });

  it('accepts a base address of its own as a provider, without a key', async () => {
    expect(await routerFor({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', ...NAMED }).name('tenant-1')).toBe('openai');
  });

  it('has the dummy by default in development where nothing else is configured', async () => {
    expect(await routerFor({}).name('tenant-1', 'dummy')).toBe('dummy');
    expect(await routerFor({}, 'production').name('tenant-1')).toBe('no_provider_configured');
    expect(await routerFor({ GATEHOUSE_DUMMY_PROVIDER: 'off' }).name('tenant-1')).toBe('no_provider_configured');
    expect(await routerFor({ GATEHOUSE_DUMMY_PROVIDER: 'on' }, 'production').name('tenant-1', 'dummy')).toBe('dummy');
  });

  it('has the dummy beside the platform’s provider where the operator enabled it', async () => {
    const { name, router } = routerFor({ ...KEY, ...NAMED, GATEHOUSE_DUMMY_PROVIDER: 'on' });
    expect(await name('tenant-1')).toBe('openai');
    expect(await name('tenant-1', 'dummy')).toBe('dummy');
    expect(await name('tenant-2', 'dummy')).toBe('dummy');
    expect(await name('tenant-2', 'm')).toBe('model_not_found');
    expect((await router.listModels('tenant-1')).map(({ id }) => id)).toEqual(['m', 'dummy']);
    expect((await router.listModels('tenant-2')).map(({ id }) => id)).toEqual(['dummy']);
  });

  it('lists no model to a tenant without a provider', async () => {
    await expect(routerFor({ ...KEY, ...NAMED }).router.listModels('tenant-2')).rejects.toMatchObject({
      kind: 'invalid_input',
      message: expect.stringMatching(/^no provider configured: add one/) as string,
    });
  });
});
