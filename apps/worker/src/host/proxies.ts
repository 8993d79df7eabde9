/**
 * The proxies that variables name, as undici's `EnvHttpProxyAgent` takes them. Every one is given even where there is none:
 * undici would read the variables of this process.
 */
export function proxiesOf(env: Readonly<Record<string, string>>) {
  const either = (name: string) => env[name.toLowerCase()] ?? env[name] ?? ''
  const https = either('HTTPS_PROXY')
  return { httpProxy: either('HTTP_PROXY'), httpsProxy: https, noProxy: either('NO_PROXY') }
}
