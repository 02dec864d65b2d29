import { Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Public } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { text } from '../platform/protojson/index.js';
import { DevelopmentIssuer } from './development-issuer.js';

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;
const LOOPBACK_ADDRESS = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/;

const signInRequest = z.strictObject({ user: text(1, 128) });
const signInResponse = z.object({ token: z.string() });

/**
 * Signs the dashboard in as any user of a developer's machine, without a password. It takes only JSON, from a page of this
 * origin, by a loopback address and name: another page of the web can neither send it nor read its answer, and a foreign name
 * that resolves to loopback is refused. Production does not have this route.
 */
@ApiExcludeController()
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('dashboard/development')
export class DashboardDoorController {
  constructor(private readonly issuer: DevelopmentIssuer) {}

  @Post('sign-in')
  @HttpCode(200)
  @Public('Development signs people in without a password; the route exists in development alone.')
  @Answers(signInResponse)
  async signIn(
    @Req() request: FastifyRequest,
    @PlatformBody(signInRequest) { user }: z.output<typeof signInRequest>,
  ): Promise<object> {
    assertOwnPage(request);
    return { token: await this.issuer.issue({ userId: user, email: addressOf(user) }) };
  }
}

/** @throws Fault permission_denied */
function assertOwnPage({ headers, raw }: FastifyRequest): void {
  const { host = '', origin } = headers;
  const isHere = LOOPBACK_ADDRESS.test(raw.socket.remoteAddress ?? '') && LOOPBACK_HOST.test(host);
  if (!isHere)
    throw new Fault(
      'permission_denied',
      'The development sign-in is for this machine alone: open the dashboard at http://localhost.',
    );
  const site = headers['sec-fetch-site'] ?? 'same-origin';
  if (origin !== `http://${host}` || site !== 'same-origin') {
    throw new Fault('permission_denied', "origin: must be that of the dashboard's own page.");
  }
}

/** Invitations go to an address that the issuer vouches for: each user of this machine has one. */
function addressOf(user: string): string {
  return user.includes('@') ? user : `${user.replaceAll(/[^A-Za-z0-9._-]/g, '-')}@example.com`;
}
