import { invalidField } from '../../../platform/errors/index.js';
import { replaceField } from '../../../platform/json/index.js';
import type { OperationName, OperationRequests } from '../provider.js';
import type { ProviderConnection } from '../provider-factory.js';
import { pathBelow, type OpenaiWire } from './openai-wire.js';

const API_VERSION = '2024-10-21';
/** The newer address, which takes the deployment as the model and no version. */
const WITHOUT_DEPLOYMENTS = /\/openai\/v1\/*$/;
/** What Azure lets a deployment be called; two dots in a path would lead elsewhere. */
const DEPLOYMENT = /^(?!\.+$)[A-Za-z0-9._-]{1,64}$/;

/**
 * Azure OpenAI: a deployment stands where OpenAI has a model, and the key in a header of its own. What is deployed can't be
 * listed there, so that any name passes and Azure judges it.
 */
export function azureWire(connection: ProviderConnection): OpenaiWire {
  const { baseUrl, credentials, settings } = connection;
  if (baseUrl === null) throw new TypeError('Azure OpenAI has no address of its own: a connection must name one.');
  const base = new URL(baseUrl);
  const common = {
    origin: base.origin,
    headers: credentials.apiKey === undefined ? {} : { 'api-key': credentials.apiKey },
    modelsPath: null,
  };
  const { apiVersion } = settings;
  if (WITHOUT_DEPLOYMENTS.test(base.pathname)) {
    if (apiVersion !== undefined) base.searchParams.set('api-version', apiVersion);
    return {
      ...common,
      pathOf: (path) => pathBelow(base, path),
      rewrite: (_operation, request) => withDeployment(request, deploymentOf(connection, request.model)),
    };
  }
  const prefix = base.pathname.replace(/\/+$/, '').replace(/\/openai$/, '');
  return {
    ...common,
    pathOf: (path, model) =>
      `${prefix}/openai/deployments/${deploymentOf(connection, model)}${path}?api-version=${apiVersion ?? API_VERSION}`,
  };
}

/** @throws Fault invalid_input: no deployment can be called so */
function deploymentOf({ settings: { deployments = {} } }: ProviderConnection, model: string): string {
  const deployment = Object.hasOwn(deployments, model) ? deployments[model] : model;
  if (deployment !== undefined && DEPLOYMENT.test(deployment)) return deployment;
  throw invalidField(
    'model',
    'must be the name of a deployment, or one of the settings.deployments of this Azure provider',
  );
}

function withDeployment<Name extends OperationName>(
  request: OperationRequests[Name],
  deployment: string,
): OperationRequests[Name] {
  if (request.model === deployment) return request;
  const json = replaceField(request.json, 'model', deployment);
  return { ...request, json, raw: json.bytes, model: deployment };
}
