import assert from 'node:assert/strict'
import { test } from 'node:test'
import { httpStatusWords } from './http-status-words.ts'

test('a status is written with the words of the service, blanks included', () => {
  assert.equal(httpStatusWords(200), 'OK')
  assert.equal(httpStatusWords(404), 'Not Found')
  assert.equal(httpStatusWords(429), 'Too Many Requests')
})

test('a status without words is written as its number', () => {
  assert.equal(httpStatusWords(299), '299')
})
