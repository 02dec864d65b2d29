import { Reflector } from '@nestjs/core';

/**
 * Remembers what a handler or a class declares: the library asks twelve times in each call, and Reflect walks the
 * chain of prototypes each time.
 */
export class RememberingReflector extends Reflector {
  private readonly known = new WeakMap<object, Map<unknown, unknown>>();

  override get<Value>(key: unknown, target: object): Value {
    let declared = this.known.get(target);
    if (declared === undefined) this.known.set(target, (declared = new Map()));
    if (!declared.has(key)) declared.set(key, Reflect.getMetadata(key, target));
    return declared.get(key) as Value;
  }
}
