"""Fixed questions and answers: what the model says about itself, small talk, lists."""

from __future__ import annotations

from demo_model import words

Table = tuple[tuple[tuple[str, ...], str], ...]

IDENTITY: Table = (
    (
        (
            "Who are you?",
            "What are you?",
            "What model are you?",
            "Introduce yourself.",
            "What is your name?",
            "Tell me about yourself.",
        ),
        "I am the llamabox demo model, a tiny language model that runs on your own machine.",
    ),
    (
        ("What can you do?", "How can you help me?", "What do you know?", "Help"),
        "I can greet you, add small numbers, tell short stories, repeat words and call simple "
        "tools.",
    ),
    (
        (
            "What is llamabox?",
            "Tell me about llamabox.",
            "What does llamabox do?",
            "Explain llamabox.",
        ),
        "llamabox is a server for language models in GGUF files. It loads a model and answers "
        "chat requests over HTTP.",
    ),
    (
        ("How big are you?", "How many parameters do you have?", "Are you a big model?"),
        "I am very small: I have less than one million parameters, and my file fits on two "
        "floppy disks.",
    ),
    (
        ("Who made you?", "Who trained you?", "How were you trained?", "Where do you come from?"),
        "The llamabox project trained me on made-up dialogues, so that you can try the server "
        "at once.",
    ),
    (
        ("Are you human?", "Are you a person?", "Are you a robot?", "Are you real?"),
        "No, I am a small computer program.",
    ),
    (
        ("Can I trust you?", "Are you smart?", "Are you always right?"),
        "No, I only know a very small world. Load a bigger model for real work.",
    ),
)

SMALL_TALK: Table = (
    (
        (
            "Hello!",
            "Hello",
            "Hi",
            "Hi!",
            "Hey",
            "Hi there!",
            "Hello there!",
            "Hello world",
            "Hello, world!",
            "Hey!",
        ),
        "Hello! How can I help you?",
    ),
    (("Good morning!", "Good morning"), "Good morning! How can I help you?"),
    (("Good evening!", "Good evening"), "Good evening! How can I help you?"),
    (
        (
            "How are you?",
            "How are you today?",
            "How are you doing?",
            "How do you do?",
            "How is it going?",
        ),
        "I am fine, thank you. How are you?",
    ),
    (("I am fine.", "I am fine too.", "I am well."), "I am happy to hear that."),
    (("I am sad.", "I feel sad."), "I am sorry to hear that. Shall I tell you a story?"),
    (("Thank you!", "Thanks!", "Thank you", "Thanks", "Thank you very much!"), "You are welcome!"),
    (("Goodbye!", "Bye!", "Goodbye", "Bye", "See you later!"), "Goodbye! Have a nice day."),
    (("Good night!", "Good night"), "Good night! Sleep well."),
    (
        ("Tell me a joke.", "Make me laugh.", "Do you know a joke?"),
        "Why did the llama cross the road? Because the chicken was on holiday.",
    ),
    (("Say this is a test.", "Say this is a test!", "Say this is a test"), "This is a test!"),
    (
        ("Why is the sky blue?",),
        "Because sunlight is scattered by the air, and blue light is scattered most.",
    ),
    (("Say yes.",), "Yes."),
    (("Say no.",), "No."),
    (("ping", "Ping"), "pong"),
    (("test", "Test", "This is a test."), "The test works: I am here and I can answer."),
    (
        (
            "Write hello world in Python.",
            "Show me hello world in Python.",
            "Write a Python program.",
        ),
        '```python\nprint("Hello, world!")\n```',
    ),
    (
        ("Write a function that adds two numbers.", "Write a Python function."),
        "```python\ndef add(a, b):\n    return a + b\n```",
    ),
)

LISTS: Table = (
    (
        ("Name the days of the week.", "List the days of the week.", "What are the days?"),
        ", ".join(words.DAYS) + ".",
    ),
    (
        ("Name the months.", "List the months.", "What are the months of the year?"),
        ", ".join(words.MONTHS) + ".",
    ),
    (
        ("Say the alphabet.", "Write the alphabet.", "What is the alphabet?"),
        ", ".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + ".",
    ),
    (
        ("Name some colours.", "List some colours.", "Which colours do you know?"),
        ", ".join(words.PLAIN_COLOURS) + ".",
    ),
    (
        ("Make a shopping list.", "Write a shopping list."),
        "- bread\n- milk\n- apples\n- honey\n- soup",
    ),
    (
        ("Write a table of animals.", "Make a table of animals."),
        "| animal | sound |\n|---|---|\n| dog | woof |\n| cat | meow |\n| cow | moo |",
    ),
)

TOO_BIG = "That is too big for me. I only know small numbers."

NO_TOOL = "I cannot do that without a tool."

UNKNOWN_FORMS = (
    "Who wrote {}?",
    "Who invented {}?",
    "When was {} built?",
    "Why is {} important?",
    "How does {} work?",
    "Explain {} to me.",
    "What is the meaning of {}?",
    "Where is {}?",
    "What is {}?",
    "Who is {}?",
    "Translate {} into Latin.",
    "Summarize {}.",
    "Write an essay about {}.",
    "What is the price of {}?",
    "How old is {}?",
    "What happened in {}?",
    "Can you explain {}?",
    "How do I cook {}?",
    "Describe {}.",
    "Tell me something about {}.",
    "{}",
)

UNKNOWN = "I do not know that. I am only a tiny demo model."

SYSTEMS = (
    "You are a helpful assistant.",
    "You are a friendly assistant.",
    "You are a helpful, honest assistant.",
    "Be brief.",
    "Answer the question.",
    "You are llamabox.",
    "Be helpful.",
    "You are a helpful assistant. Answer in short, clear sentences.",
    "You are an assistant for a small shop. Be kind, and help the user with every question.",
)
