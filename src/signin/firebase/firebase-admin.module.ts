import { Module, type DynamicModule } from '@nestjs/common';
import { FirebaseAdmin } from './firebase-admin.js';

/** Checks the connection to Firebase at the service's start, and closes it at its stop. */
@Module({})
export class FirebaseAdminModule {
  static register(firebase: FirebaseAdmin): DynamicModule {
    return { module: FirebaseAdminModule, providers: [{ provide: FirebaseAdmin, useValue: firebase }] };
  }
}
