/** Made by the plugins in dashboard/vite. */
declare module 'virtual:icons' {
  export const ICONS: Readonly<Record<string, readonly (readonly [string, Readonly<Record<string, string>>])[]>>;
}

declare module 'virtual:access' {
  type Rule = true | { readonly roles: readonly string[] } | { readonly scope: string };
  export const ACCESS: Readonly<Record<string, Rule>>;
}
