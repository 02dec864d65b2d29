import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Public } from '../identity/index.js';
import { SETTINGS_TOKEN, VERSION, type Settings } from '../platform/config/index.js';
import { Answers, PLATFORM_DIALECT, Refuses, SpeaksDialect } from '../platform/http/index.js';
import { BrowserSignIn } from '../signin/index.js';

const session = z
  .enum(['memory', 'tab'])
  .meta({ description: 'Whether the browser may keep a sign-in while a tab is open.' });
const firebase = z.object({
  apiKey: z.string(),
  projectId: z.string(),
  session,
  google: z
    .object({ clientId: z.string(), mode: z.enum(['redirect', 'popup']) })
    .optional()
    .meta({ description: 'Absent: no sign-in by Google.' }),
});
const oidc = z.object({
  session,
  issuer: z.string(),
  clientId: z.string(),
  scopes: z.string().meta({ description: 'Separated by spaces.' }),
  token: z.enum(['id', 'access']).meta({ description: 'Which token of the issuer the API takes.' }),
  authorizationEndpoint: z.string(),
  tokenEndpoint: z.string(),
  endSessionEndpoint: z
    .string()
    .optional()
    .meta({ description: "Absent: the issuer's own sign-in can't be ended from here." }),
  revocationEndpoint: z.string().optional().meta({ description: "Absent: refresh tokens can't be revoked." }),
  namesIssuer: z.boolean().meta({ description: "Whether the issuer's answers to a browser carry `iss` (RFC 9207)." }),
});
const dashboardConfig = z.object({
  version: z.string(),
  development: z.boolean().meta({ description: 'Whether the development sign-in is there.' }),
  firebase: firebase.optional().meta({ description: 'Absent: no sign-in by Firebase.' }),
  oidc: oidc.optional().meta({ description: 'Absent: no sign-in by another OpenID Connect issuer.' }),
});

/** What the web application has to know before anybody is signed in. */
@ApiTags('Dashboard')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('dashboard')
export class DashboardConfigController {
  private readonly config: object;

  constructor(
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
    @Inject(BrowserSignIn) private readonly browserSignIn: BrowserSignIn | null,
  ) {
    this.config = { version: VERSION, development: settings.mode === 'development', ...firebaseOf(settings) };
  }

  @Get('config.json')
  @Header('cache-control', 'no-cache')
  @ApiOperation({ summary: 'How people sign in at the dashboard, and its version.' })
  @Public('The dashboard reads it before anybody is signed in; all of it is public.')
  @Answers(dashboardConfig)
  @Refuses('unavailable')
  async get(): Promise<object> {
    if (this.browserSignIn === null) return this.config;
    const { dashboardSession } = this.settings;
    return { ...this.config, oidc: { ...(await this.browserSignIn.settings()), session: dashboardSession } };
  }
}

function firebaseOf(settings: Settings): object {
  const { firebaseApiKey: apiKey, firebaseProjectId: projectId, googleClientId: clientId } = settings;
  if (apiKey === undefined || projectId === undefined) return {};
  const google = clientId === undefined ? {} : { google: { clientId, mode: settings.googleSignIn } };
  return { firebase: { apiKey, projectId, session: settings.dashboardSession, ...google } };
}
