import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { invalidField } from '../platform/errors/index.js';

const OF_THIS_MACHINE = ['localhost', '127.0.0.1', '[::1]'];

/** The host names at which sealed access tokens are made and accepted. */
@Injectable()
export class PublicHostnames {
  private readonly names: ReadonlySet<string>;

  constructor(@Inject(SETTINGS_TOKEN) { publicHostnames, publicUrl }: Pick<Settings, 'publicHostnames' | 'publicUrl'>) {
    const ofUrl = publicUrl === undefined ? [] : [new URL(publicUrl).hostname];
    this.names = new Set(publicHostnames ?? [...ofUrl, ...OF_THIS_MACHINE]);
  }

  has(hostname: string): boolean {
    return this.names.has(hostname);
  }

  /** @throws Fault invalid_input */
  assertKnown(hostname: string): void {
    if (!this.has(hostname)) {
      throw invalidField(
        'host',
        'is not a host name that tokens are made for; the operator adds it with PUBLIC_HOSTNAMES',
      );
    }
  }
}
