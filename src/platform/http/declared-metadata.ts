/**
 * What a decorator says of handlers or controllers, each read by reflection once: guards ask with every request, and
 * decorators have said all they will when the service listens.
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
