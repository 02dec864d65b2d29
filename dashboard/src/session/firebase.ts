import { initializeApp } from '@firebase/app';
import {
  browserSessionPersistence,
  createUserWithEmailAndPassword,
  GoogleAuthProvider,
  inMemoryPersistence,
  initializeAuth,
  sendEmailVerification,
  sendPasswordResetEmail,
  signInWithCredential,
  signInWithEmailAndPassword,
  type Auth,
} from '@firebase/auth';
import type { FirebaseConfig } from './config.js';
import type { SignInWay } from './session.js';

/** Signs in by the Firebase SDK. Loaded only where the operator set up a project. */
export class FirebaseSignIn {
  private readonly auth: Auth;

  constructor({ apiKey, projectId, session }: FirebaseConfig) {
    this.auth = initializeAuth(initializeApp({ apiKey, projectId }), {
      persistence: session === 'tab' ? browserSessionPersistence : inMemoryPersistence,
    });
  }

  /** The sign-in that the tab kept over a reload, where the operator allows that; null: no sign-in was kept. */
  async kept(): Promise<SignInWay | null> {
    await this.auth.authStateReady();
    return this.auth.currentUser === null ? null : this.way();
  }

  async byPassword(email: string, password: string): Promise<SignInWay> {
    await signInWithEmailAndPassword(this.auth, email, password);
    return this.way();
  }

  async register(email: string, password: string): Promise<SignInWay> {
    const { user } = await createUserWithEmailAndPassword(this.auth, email, password);
    await sendEmailVerification(user);
    return this.way();
  }

  async resetPassword(email: string): Promise<void> {
    await sendPasswordResetEmail(this.auth, email);
  }

  async byGoogle(idToken: string): Promise<SignInWay> {
    await signInWithCredential(this.auth, GoogleAuthProvider.credential(idToken));
    return this.way();
  }

  private way(): SignInWay {
    const { auth } = this;
    return {
      token: async (fresh) => {
        if (auth.currentUser === null) throw new TypeError('No user is signed in.');
        return auth.currentUser.getIdToken(fresh);
      },
      forget: () => auth.signOut(),
      signOut: () => auth.signOut(),
    };
  }
}

/** The code of a refusal of Firebase's, like `auth/invalid-credential`; null: another error. */
export function firebaseCodeOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && code.startsWith('auth/') ? code : null;
}
