import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Public } from '../identity/index.js';
import { SETTINGS_TOKEN, VERSION, type Settings } from '../platform/config/index.js';
import { Answers, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';

const firebase = z.object({
  apiKey: z.string(),
  projectId: z.string(),
  session: z
    .enum(['memory', 'tab'])
    .meta({ description: 'Whether the browser may keep a sign-in while a tab is open.' }),
  google: z
    .object({ clientId: z.string(), mode: z.enum(['redirect', 'popup']) })
    .optional()
    .meta({ description: 'Absent: no sign-in by Google.' }),
});
const dashboardConfig = z.object({
  version: z.string(),
  development: z.boolean().meta({ description: 'Whether the development sign-in is there.' }),
  firebase: firebase.optional().meta({ description: 'Absent: no sign-in by Firebase.' }),
});

/** What the web application has to know before anybody is signed in. */
@ApiTags('Dashboard')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('dashboard')
export class DashboardConfigController {
  private readonly config: object;

  constructor(@Inject(SETTINGS_TOKEN) settings: Settings) {
    this.config = { version: VERSION, development: settings.mode === 'development', ...firebaseOf(settings) };
  }

  @Get('config.json')
  @Header('cache-control', 'no-cache')
  @ApiOperation({ summary: 'How people sign in at the dashboard, and its version.' })
  @Public('The dashboard reads it before anybody is signed in; all of it is public.')
  @Answers(dashboardConfig)
  get(): object {
    return this.config;
  }
}

function firebaseOf(settings: Settings): object {
  const { firebaseApiKey: apiKey, firebaseProjectId: projectId, googleClientId: clientId } = settings;
  if (apiKey === undefined || projectId === undefined) return {};
  const google = clientId === undefined ? {} : { google: { clientId, mode: settings.googleSignIn } };
  return { firebase: { apiKey, projectId, session: settings.dashboardSession, ...google } };
}
