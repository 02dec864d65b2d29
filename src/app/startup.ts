import { Injectable } from '@nestjs/common';

/** Whether the mode has done what it does once the service listens: in development the first org, key and quickstart.json. */
@Injectable()
export class Startup {
  isDone = true;
}
