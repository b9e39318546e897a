"""What a hand does to the page."""


def map_of(page):
    """The map, drawn, and its box."""
    page.wait_for_selector("canvas.points[data-took]")
    return page.locator("canvas.over").first.bounding_box()


def at(box, x, y):
    """A place by its shares of a box."""
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def find_item(page, box):
    """Moves the pointer from the middle outwards until it is on an item; where that is."""
    for k in range(200):
        x, y = at(box, 0.5 + 0.0015 * k, 0.5 + 0.001 * k)
        page.mouse.move(x, y)
        if page.get_by_test_id("hover-card").count():
            return x, y
    raise AssertionError("no item under the pointer")


def lasso(page, box, corners):
    """Draws round the corners with the lasso."""
    page.keyboard.press("l")
    points = [at(box, *corner) for corner in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in [*points[1:], points[0]]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


LEFT = [(0.15, 0.2), (0.45, 0.2), (0.45, 0.8), (0.15, 0.8)]
RIGHT = [(0.55, 0.2), (0.9, 0.2), (0.9, 0.8), (0.55, 0.8)]


def until(page, script, seconds=20):
    """Waits until a script of the page says so (the page's own policy allows it no eval)."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never so: {script}")


def view(page, name):
    """Goes to a view by the rail."""
    page.get_by_role("navigation").get_by_role("button", name=name).click()


def selected(page):
    """How many items the page says are selected."""
    words = page.get_by_test_id("selected").inner_text()
    return int(words.split()[0].replace(",", ""))
