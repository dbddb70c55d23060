// The newest Java SDK that azure-sdk-bom names, in proxy, names and managed identity mode. The JVM takes its trust and
// its proxy from properties, not from variables.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, run, runOrThrow } from '../harness/child.mjs'
import { runFirstSecret } from '../harness/first-secret.mjs'
import { sumOutcomes } from '../harness/outcome.mjs'
import { managedIdentityMode, namesMode, plainEnvironment, proxyMode } from '../harness/surroundings.mjs'

const client = (path) => fileURLToPath(new URL(`../clients/java/${path}`, import.meta.url))
const storePassword = 'changeit'

export const suite = {
  // With the tenant `adfs` in their environment, Go and Java take no challenge that names a tenant by its id.
  serverFlags: ['--challenge-tenant', 'adfs'],
  proves:
    'the newest Java SDK, every operation, synchronous and asynchronous, in names, proxy and managed identity mode',
  missing() {
    const absent = ['mvn', 'java', 'keytool'].filter((name) => !findProgram(name))
    return absent.length > 0 ? `${absent.join(', ')} not installed (JDK 17 or newer and Maven are needed)` : undefined
  },
  async run(context) {
    const { base, hostNames, workFolder } = context
    const classPath = await resolveClassPath(context)
    const trustStore = await makeTrustStore(base.caFile, join(workFolder, 'trust.p12'))
    const jvm = [`-Djavax.net.ssl.trustStore=${trustStore}`, `-Djavax.net.ssl.trustStorePassword=${storePassword}`]
    const proxy = (url) => [`-Dhttps.proxyHost=${new URL(url).hostname}`, `-Dhttps.proxyPort=${new URL(url).port}`]
    const direct = hostNames.env.HTTPS_PROXY ? proxy(hostNames.env.HTTPS_PROXY) : []
    const outcomes = [
      await runMode(context, classPath, [...jvm, ...direct], namesMode(base), hostNames.wrap),
      await runMode(context, classPath, [...jvm, ...proxy(base.proxyUrl)], proxyMode(base)),
      await runMode(context, classPath, [...jvm, ...direct], managedIdentityMode(base), hostNames.wrap),
      await runFirstSecret(context, 'java', (mode) => {
        const properties = [...jvm, ...(mode.HTTPS_PROXY ? proxy(mode.HTTPS_PROXY) : [])]
        return ['java', [...properties, '-cp', classPath, client('FirstSecret.java')]]
      }),
    ]
    return sumOutcomes(outcomes)
  },
}

/** Asks Maven once per content of pom.xml; what it answered is kept while the files it names are there. */
async function resolveClassPath(context) {
  const file = join(context.installFolder, 'java-class-path.txt')
  const pom = readFileSync(client('pom.xml'), 'utf8')
  const isKnown = existsSync(file) && existsSync(`${file}.pom`) && readFileSync(`${file}.pom`, 'utf8') === pom
  if (isKnown && readPath(file).split(delimiter).every(existsSync)) return readPath(file)
  const args = ['-B', '-q', '-f', client('pom.xml'), 'dependency:build-classpath', `-Dmdep.outputFile=${file}`]
  await runOrThrow('mvn', args, { timeoutSeconds: 900, log: join(context.logFolder, 'java-maven.log') })
  writeFileSync(`${file}.pom`, pom)
  return readPath(file)
}

function readPath(file) {
  return readFileSync(file, 'utf8').trim()
}

async function makeTrustStore(caFile, file) {
  const store = ['-keystore', file, '-storetype', 'PKCS12', '-storepass', storePassword]
  await runOrThrow('keytool', ['-importcert', '-noprompt', '-alias', 'keyhaven', '-file', caFile, ...store])
  return file
}

async function runMode(context, classPath, jvm, mode, wrap = (command, args) => [command, args]) {
  const label = `java-${mode.KEYHAVEN_MODE}`
  const [command, args] = wrap('java', [...jvm, '-cp', classPath, client('SecretsWalk.java')])
  const log = join(context.logFolder, `${label}.log`)
  const env = { ...plainEnvironment(), ...mode }
  const { code, stdout, stderr } = await run(command, args, { env, timeoutSeconds: 300, log })
  const passed = stdout.split('\n').filter((line) => line.startsWith('ok ')).length
  const failures = stdout.split('\n').filter((line) => line.startsWith('not ok '))
  if (code !== 0 && failures.length === 0) failures.push(`ended with ${code ?? 'a time-out'}: ${stderr.slice(-800)}`)
  context.say(`  ${label}: ${passed} passed, ${failures.length} failed`)
  const notes = failures.map((line) => `${label}: ${line.slice(0, 700)}`)
  return { passed, failed: failures.length, skipped: 0, notes }
}
