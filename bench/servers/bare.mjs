// The limit to compare with: node:https and nothing else, answering every request with the same bytes. It is a process
// of its own for the same reason Keyhaven is one: its CPU time must be its alone.
import https from 'node:https'

process.once('message', ({ key, certificate, status, headers, body, keepAliveSeconds }) => {
  const server = https.createServer({ key, cert: certificate, minVersion: 'TLSv1.3' }, (_request, response) => {
    response.writeHead(status, headers)
    response.end(body)
  })
  server.keepAliveTimeout = keepAliveSeconds * 1000
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
})
process.once('disconnect', () => process.exit(0))
