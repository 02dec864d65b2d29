/**
 * What a decorator declares of handlers or controllers. Each is read by reflection once: guards ask at every request, and
 * nothing is declared any more once the service listens.
 */
export class DeclaredMetadata<Value> {
  private readonly known = new WeakMap<object, { readonly value: Value | null }>();

  constructor(private readonly key: string) {}

  find(target: object): Value | null {
    const known = this.known.get(target);
    if (known !== undefined) return known.value;
    const value = (Reflect.getMetadata(this.key, target) as Value | undefined) ?? null;
    this.known.set(target, { value });
    return value;
  }
}
