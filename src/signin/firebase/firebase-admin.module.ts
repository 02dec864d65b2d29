import { Module, type DynamicModule } from '@nestjs/common';
import { FirebaseAdmin } from './firebase-admin.js';

/** Checks the connection to Firebase when the service starts, and closes it when that stops. */
@Module({})
export class FirebaseAdminModule {
  static register(firebase: FirebaseAdmin): DynamicModule {
    return { module: FirebaseAdminModule, providers: [{ provide: FirebaseAdmin, useValue: firebase }] };
  }
}
