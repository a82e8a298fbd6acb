export function* inGroups<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let position = 0; position < items.length; position += size) {
    yield items.slice(position, position + size);
  }
}
