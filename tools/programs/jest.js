// Follows a body, in CommonJS or as a module.
describe('slocket', () => {
  afterEach(() => jest.useRealTimers())

  test('works', async () => expect(await useSlocket()).toEqual(JSON.parse(process.env.EXPECTED)), 60_000)

  test('works while time is faked', async () => {
    jest.useFakeTimers()
    expect(await useSlocket()).toEqual(JSON.parse(process.env.EXPECTED))
  }, 60_000)
})
