import { loadSettings, type ConfiguredSettings } from '../../platform/config/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { PlatformProviderTenants } from './platform-provider-tenants.js';
import { ProviderRouter } from './provider-router.js';

const KEY = { OPENAI_API_KEY: 'sk-secret', OPENAI_MODELS: 'm' };
const NAMED = { PLATFORM_PROVIDER_TENANTS: 'tenant-1' };

function routerFor(environment: Record<string, string>, mode: ConfiguredSettings['mode'] = 'development') {
  const settings = { ...loadSettings(environment).settings, mode };
  const tenants = new PlatformProviderTenants(settings);
  const router = new ProviderRouter(settings, new OutboundHttp(settings), new Tokenizer(), tenants);
  const name = (tenantId: string, model = 'm'): string => {
    try {
      return router.providerOf(tenantId, model).name;
    } catch (error) {
      return (error as { code?: string }).code ?? 'unknown';
    }
  };
  return { router, tenants, name };
}

describe('ProviderRouter', () => {
  it('spends the platform’s credential for the tenants that the operator names, and for no other', () => {
    const { name, tenants } = routerFor({ ...KEY, ...NAMED });
    expect(name('tenant-1')).toBe('openai');
    expect(name('tenant-2')).toBe('no_provider_configured');
    tenants.allow('tenant-2');
    expect(name('tenant-2')).toBe('openai');
  });

  it('takes a base address of its own as a provider, without a key', () => {
    expect(routerFor({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', ...NAMED }).name('tenant-1')).toBe('openai');
  });

  it('has the dummy by itself in development where nothing else is configured', () => {
    expect(routerFor({}).name('tenant-1')).toBe('dummy');
    expect(routerFor({}, 'production').name('tenant-1')).toBe('no_provider_configured');
    expect(routerFor({ GATEHOUSE_DUMMY_PROVIDER: 'off' }).name('tenant-1')).toBe('no_provider_configured');
    expect(routerFor({ GATEHOUSE_DUMMY_PROVIDER: 'on' }, 'production').name('tenant-1')).toBe('dummy');
  });

  it('has the dummy beside the platform’s provider where the operator turned it on', async () => {
    const { name, router } = routerFor({ ...KEY, ...NAMED, GATEHOUSE_DUMMY_PROVIDER: 'on' });
    expect(name('tenant-1')).toBe('openai');
    expect(name('tenant-1', 'dummy')).toBe('dummy');
    expect(name('tenant-2', 'm')).toBe('dummy');
    expect((await router.listModels('tenant-1')).map(({ id }) => id)).toEqual(['m', 'dummy']);
    expect((await router.listModels('tenant-2')).map(({ id }) => id)).toEqual(['dummy']);
  });

  it('lists no model to a tenant without a provider', async () => {
    await expect(routerFor({ ...KEY, ...NAMED }).router.listModels('tenant-2')).rejects.toMatchObject({
      kind: 'invalid_input',
      message: 'no provider configured',
    });
  });
});
