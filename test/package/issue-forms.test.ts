// The forms in .github/ISSUE_TEMPLATE. GitHub shows an invalid form to nobody but a visitor of the file, so that is tested here, by
// https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { ROOT } from './install.ts'

interface Field {
  readonly type: string
  readonly id?: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly validations?: { readonly required?: unknown }
}

interface Form {
  readonly name: string
  readonly description: string
  readonly labels: unknown
  readonly body: readonly Field[]
}

/** The attributes that each type of field takes, those that it needs first. */
const ATTRIBUTES: Readonly<Record<string, { needs: readonly string[]; takes: readonly string[] }>> = {
  markdown: { needs: ['value'], takes: [] },
  input: { needs: ['label'], takes: ['description', 'placeholder', 'value'] },
  textarea: { needs: ['label'], takes: ['description', 'placeholder', 'value', 'render'] },
  dropdown: { needs: ['label', 'options'], takes: ['description', 'multiple', 'default'] },
  checkboxes: { needs: ['label', 'options'], takes: ['description'] },
}

const folder = join(ROOT, '.github/ISSUE_TEMPLATE')
const files = readdirSync(folder).filter((file) => file !== 'config.yml')

describe('the issue forms', () => {
  for (const file of files) {
    const form = parse(readFileSync(join(folder, file), 'utf8')) as Form
    const inputs = form.body.filter(({ type }) => type !== 'markdown')

    test(`${file} has the form that GitHub requires`, () => {
      assert.deepEqual(Object.keys(form).toSorted(), ['body', 'description', 'labels', 'name'])
      assert.ok(form.name !== '' && form.description !== '' && Array.isArray(form.labels))
      assert.notEqual(inputs.length, 0)
      for (const { type, attributes, id, validations = {}, ...others } of form.body) {
        const known = ATTRIBUTES[type]
        assert.ok(known !== undefined, `no type ${type}`)
        for (const name of known.needs) assert.ok(name in attributes, `${type} ${id} has no ${name}`)
        const unknown = Object.keys(attributes).filter((name) => ![...known.needs, ...known.takes].includes(name))
        assert.deepEqual([unknown, Object.keys(others)], [[], []], `${type} ${id}`)
        if (type !== 'markdown') assert.match(id ?? '', /^[\w-]+$/)
        assert.ok(Object.keys(validations).every((name) => name === 'required'))
        assert.equal(typeof (validations.required ?? false), 'boolean')
      }
      for (const values of [inputs.map(({ id }) => id), inputs.map(({ attributes }) => attributes['label'])])
        assert.equal(new Set(values).size, values.length, 'an id or a label appears twice')
    })

    test(`${file} asks for the output of slocket doctor`, () => {
      assert.ok(inputs.some(({ attributes }) => String(attributes['label']).includes('slocket doctor')))
    })
  }

  test('there are forms, and links for what is not an issue', () => {
    const config = parse(readFileSync(join(folder, 'config.yml'), 'utf8')) as {
      contact_links: Record<string, string>[]
    }
    assert.deepEqual(files.toSorted(), ['bug.yml', 'feature.yml'])
    for (const link of config.contact_links) {
      assert.deepEqual(Object.keys(link).toSorted(), ['about', 'name', 'url'])
      assert.match(link['url']!, /^https:/)
    }
  })
})
