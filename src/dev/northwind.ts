/** A sample source in the manner of Microsoft's Northwind: orders with their lines, the same ones for the same seed. */
import { fileURLToPath } from 'node:url';
import type Database from 'better-sqlite3';
import { openForWriting, schemaFile } from '../engines/sqlite/connect.js';
import { seededRandom } from './seededRandom.js';

/** The folder with the sample's transform. */
export const northwindScripts = fileURLToPath(new URL('./northwind/', import.meta.url));

const FIRST_ORDER = 10_248;
const FIRST_DAY = Date.UTC(2024, 0, 2);
const DAYS = 700;
const DAY_MS = 86_400_000;
const PRODUCTS = 77;
const EMPLOYEES = 9;
/** Mixed case on purpose: the transform makes names of them in upper case. */
const CUSTOMERS = [
  'alfki',
  'Anatr',
  'anTon',
  'Bergs',
  'blonp',
  'Chops',
  'ernsh',
  'Frank',
  'hungO',
  'QUICK',
  'saveA',
];
const COUNTRIES = ['Germany', 'México', 'Sweden', 'France', 'Österreich', 'Ireland', 'USA', 'Česko'];
const DISCOUNTS = [0, 0, 0, 0.05, 0.1, 0.15, 0.25];

export interface NorthwindOptions {
  /** Default: 830. */
  readonly orders?: number;
  /** Default: 1. */
  readonly seed?: number;
}

/** Writes `dbo.db` with `Orders` and `[Order Details]` into the folder, in place of those that are there. */
export async function makeNorthwind(
  folder: string,
  { orders = 830, seed = 1 }: NorthwindOptions = {},
): Promise<void> {
  const db = await openForWriting(schemaFile(folder, 'dbo'));
  try {
    db.transaction(() => {
      createTables(db);
      fillTables(db, orders, seed);
    })();
  } finally {
    db.close();
  }
}

function createTables(db: Database.Database): void {
  db.exec(`
    DROP TABLE IF EXISTS [Order Details];
    DROP TABLE IF EXISTS Orders;
    CREATE TABLE Orders (
      OrderID INTEGER PRIMARY KEY,
      CustomerID NVARCHAR(5) NOT NULL,
      EmployeeID INTEGER NOT NULL,
      OrderDate DATETIME NOT NULL,
      ShipCountry NVARCHAR(15) NOT NULL
    );
    CREATE TABLE [Order Details] (
      OrderID INTEGER NOT NULL REFERENCES Orders,
      ProductID INTEGER NOT NULL,
      UnitPrice NUMERIC(10, 2) NOT NULL,
      Quantity INTEGER NOT NULL,
      Discount REAL NOT NULL,
      PRIMARY KEY (OrderID, ProductID)
    );
  `);
}

function fillTables(db: Database.Database, orders: number, seed: number): void {
  const random = seededRandom(seed);
  const whole = (below: number): number => Math.floor(random() * below);
  const pick = <T>(from: readonly T[]): T => from[whole(from.length)]!;
  const prices = Array.from({ length: PRODUCTS }, () => (200 + whole(10_000)) / 100);
  const insertOrder = db.prepare('INSERT INTO Orders VALUES (?, ?, ?, ?, ?)');
  const insertLine = db.prepare('INSERT INTO [Order Details] VALUES (?, ?, ?, ?, ?)');
  for (let index = 0; index < orders; index++) {
    const orderID = FIRST_ORDER + index;
    const day = new Date(FIRST_DAY + Math.floor((index / orders) * DAYS) * DAY_MS);
    const orderDate = day.toISOString().slice(0, 10);
    insertOrder.run(orderID, pick(CUSTOMERS), 1 + whole(EMPLOYEES), orderDate, pick(COUNTRIES));
    // One to four lines, each with another product.
    const firstProduct = whole(PRODUCTS);
    for (let line = 0, lines = 1 + whole(4); line < lines; line++) {
      const product = (firstProduct + line * 7) % PRODUCTS;
      insertLine.run(orderID, product + 1, prices[product], 1 + whole(60), pick(DISCOUNTS));
    }
  }
}
