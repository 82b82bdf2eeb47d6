#!/usr/bin/env python3
"""Orders as large as Northwind's, made from a seed: for who does not have those.

usage: made_orders.py FOLDER [SEED]

Writes northwind-orders.ndjson (830 orders of about 2,150 lines, by 89 customers from 21 countries) and
northwind-products.ndjson (77). The same seed makes the same bytes. None of it is anybody's data.
"""
import json
import os
import pathlib
import sys
import tempfile

ORDERS, PRODUCTS, CUSTOMERS = 830, 77, 89
SEED = 1996
NAMES = ("northwind-orders.ndjson", "northwind-products.ndjson")
# The shop's own rules name these: customers of much credit, and a country where no carrier goes.
KNOWN = ["SAVEA", "ERNSH", "QUICK", "HUNGO", "RATTC"]
COUNTRIES = ["Germany", "USA", "Brazil", "France", "UK", "Venezuela", "Austria", "Sweden", "Canada", "Mexico",
             "Italy", "Spain", "Finland", "Ireland", "Belgium", "Switzerland", "Denmark", "Argentina", "Portugal",
             "Poland", "Norway"]


class Dice:
    """splitmix64: the same on every machine and with every version of Python."""

    def __init__(self, seed):
        self.state = seed & (1 << 64) - 1

    def below(self, most):
        self.state = self.state + 0x9e3779b97f4a7c15 & (1 << 64) - 1
        word = self.state
        word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9 & (1 << 64) - 1
        word = (word ^ word >> 27) * 0x94d049bb133111eb & (1 << 64) - 1
        return (word ^ word >> 31) % most

    def one_of(self, things):
        return things[self.below(len(things))]


def make_products(dice):
    for number in range(1, PRODUCTS + 1):
        price = 250 + 50 * dice.below(100) + (20000 if dice.below(20) == 0 else 0)
        yield {"sku": str(number), "name": f"Product {number}, né à Überlingen", "unit_price_cents": price,
               "units_in_stock": dice.below(20) and 100 + dice.below(900), "discontinued": dice.below(10) == 0}


def make_customers(dice):
    names = KNOWN + [f"C{number:04}" for number in range(CUSTOMERS - len(KNOWN))]
    return [(name, COUNTRIES[number % len(COUNTRIES)] if number >= len(KNOWN) else dice.one_of(COUNTRIES[:5]))
            for number, name in enumerate(names)]


def make_line(dice, product):
    return {"sku": product["sku"], "quantity": 1 + dice.below(dice.one_of([10, 40, 40, 130])),
            "unit_price_cents": product["unit_price_cents"] * dice.one_of([4, 5, 5, 5]) // 5,
            "discount_percent": dice.one_of([0, 0, 0, 5, 10, 15, 20, 25])}


def make_orders(dice, products):
    customers = make_customers(dice)
    for number in range(ORDERS):
        name, country = customers[min(dice.below(CUSTOMERS), dice.below(CUSTOMERS))]
        first, count = dice.below(PRODUCTS), 1 + min(dice.below(5), dice.below(7))
        day = f"{1996 + number // 277}-{1 + number // 24 % 12:02}-{1 + dice.below(28):02}"
        yield {"ref": str(10248 + number), "customer": name, "placed_on": day, "carrier": 1 + dice.below(3),
               "freight_cents": dice.below(30000),
               "ship_to": {"name": f"To {name}", "address": f"{1 + dice.below(200)}, rue de l'Été", "city": "Œuf",
                           "postal_code": f"{10000 + dice.below(90000)}", "country": country},
               "lines": [make_line(dice, products[(first + 11 * k) % PRODUCTS]) for k in range(count)]}


def make(folder, seed=SEED):
    dice = Dice(seed)
    products = list(make_products(dice))
    for name, things in zip(NAMES, (make_orders(dice, products), products)):
        text = "".join(json.dumps(thing, ensure_ascii=False) + "\n" for thing in things)
        pathlib.Path(folder, name).write_text(text, encoding="utf-8")


def data_folder(usual):
    """Where the orders are: Northwind's, if they are there (SAGA_TEST_DATA, or beside the project), else ours."""
    folder = pathlib.Path(os.environ.get("SAGA_TEST_DATA", usual))
    if os.environ.get("SAGA_TEST_DATA") != "made" and all((folder / name).exists() for name in NAMES):
        return folder
    made = tempfile.TemporaryDirectory(prefix="saga-orders-")
    data_folder.made = made  # it lives as long as the process
    make(made.name)
    print(f"orders are made from seed {SEED}: Northwind's are not in {folder}")
    return pathlib.Path(made.name)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else SEED)
