"""The words of the demo model's small world."""

PEOPLE = (
    "Tom Ana Leo Mia Sam Eva Max Zoe Ben Lily Omar Nina Paul Rosa Hugo Ivy Jack Kate Luis Maya "
    "Noah Olga Peter Sara Theo Vera Will Yuki Adam Clara Emma Felix"
).split()

CITIES = (
    "Paris,London,Berlin,Madrid,Rome,Lima,Oslo,Cairo,Tokyo,Delhi,Boston,Chicago,Toronto,Sydney,"
    "Lagos,Vienna,Prague,Dublin,Lisbon,Athens,Warsaw,Helsinki,Seoul,Beijing,Moscow,Nairobi,"
    "San Francisco,New York,Los Angeles,Rio de Janeiro,Mexico City,Cape Town,Seattle,Munich,"
    "Hamburg,Zurich,Geneva,Milan,Barcelona,Amsterdam"
).split(",")

CAPITALS = {
    "France": "Paris",
    "England": "London",
    "Germany": "Berlin",
    "Spain": "Madrid",
    "Italy": "Rome",
    "Peru": "Lima",
    "Norway": "Oslo",
    "Egypt": "Cairo",
    "Japan": "Tokyo",
    "India": "Delhi",
    "Austria": "Vienna",
    "Portugal": "Lisbon",
    "Greece": "Athens",
    "Ireland": "Dublin",
    "Poland": "Warsaw",
    "Finland": "Helsinki",
    "China": "Beijing",
    "Kenya": "Nairobi",
}

COLOURS = {
    "grass": "green",
    "the sky": "blue",
    "snow": "white",
    "a tomato": "red",
    "a banana": "yellow",
    "coal": "black",
    "a carrot": "orange",
    "a plum": "purple",
    "the sun": "yellow",
    "a frog": "green",
}

SOUNDS = {
    "a dog": "woof",
    "a cat": "meow",
    "a cow": "moo",
    "a duck": "quack",
    "a sheep": "baa",
    "a lion": "roar",
    "an owl": "hoo",
    "a bee": "buzz",
}

OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "up": "down",
    "day": "night",
    "happy": "sad",
    "fast": "slow",
    "open": "closed",
    "old": "new",
    "full": "empty",
    "light": "dark",
    "left": "right",
    "early": "late",
    "wet": "dry",
    "high": "low",
    "loud": "quiet",
    "soft": "hard",
}

# Words in other scripts stay outside the tokenizer's training text, so that one letter needs
# several tokens: streams of it show whether text is cut inside a letter.
GREETINGS = {
    "French": "Bonjour !",
    "Spanish": "¡Hola!",
    "German": "Schönen Tag!",
    "Japanese": "こんにちは",
    "Chinese": "你好",
    "Russian": "Привет!",
    "Greek": "Γειά σου!",
    "Korean": "안녕하세요",
}

NOUNS = (
    "apple river stone lamp bread cloud chair garden window door table book paper clock bridge "
    "forest mountain island boat train road house kitchen candle pencil basket bottle button "
    "carpet feather hammer ladder mirror needle pillow ribbon rocket saddle shovel spoon ticket "
    "tunnel turtle violin wallet whistle winter summer honey lemon pepper sugar water fire silver "
    "gold iron glass wood leaf flower seed tree bird fish horse tiger zebra camel goat sheep"
).split()

THINGS = "key ball book hat cup coin map bag ring lamp pen box drum kite shoe".split()

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

MONTHS = (
    "January February March April May June July August September October November December"
).split()

NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 10: "ten", 20: "twenty"}

SKIES = "sunny cloudy rainy windy snowy foggy".split()

PLAIN_COLOURS = "red green blue yellow black white orange purple".split()

SYLLABLES = (
    "ba be bi bo ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti "
    "to va ve vi vo za zo lu mu nu ru tu ha ho ja jo dan ger mon tar vel pin sol wick ford ton"
).split()
